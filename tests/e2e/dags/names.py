"""Names as people have them: of other scripts, written from right to left, with emoji."""

from airflow.providers.common.compat.sdk import dag, task
from staged import both_levels


@dag(
    dag_id="загрузка_טעינה_データ",
    schedule=None,
    tags=["🚚 грузы", "שילוח"],
    description="🚚 יומית",
    **both_levels(),
)
def letters():
    @task(task_id="טעינת_הזמנות_заказы_注文", owner="Łukasz 🧑‍🚀 דנה")
    def load():
        raise ValueError("🔥 אין קובץ: заказы.csv\N{RIGHT-TO-LEFT OVERRIDE}gnp")

    load()


letters()
