"""Database schema, roles and row-level security: one Alembic history for every deployable.

python -m migrations upgrade      bring the database at DATABASE_URL (an owner's URL) up to date
python -m migrations url ROLE     print the URL with which a service connects
"""

from migrations.roles import ROLES, role_url

__all__ = ["ROLES", "role_url"]
