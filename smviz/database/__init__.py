"""One SQLite file that any thread and several processes may use at once. The only package that imports sqlite3."""

from smviz.database.reading import ReadOnlyDatabase
from smviz.database.writing import BATCH_SIZE, Database, Migration, Told, Transaction

__all__ = ["BATCH_SIZE", "Database", "Migration", "ReadOnlyDatabase", "Told", "Transaction"]
