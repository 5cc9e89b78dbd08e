"""The way an Airflow deployment talks to PagerDuty.

Nothing is imported here: Airflow loads this package in every process, before it has loaded itself.
"""

__version__ = "0.1.0"
