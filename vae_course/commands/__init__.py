"""The commands of daily use: lab, app, test, notebooks and solutions."""
