"""The notifier: what Airflow's callbacks call."""
