"""What Celery runs: the application, its tasks, and what each worker's main process sees to."""
