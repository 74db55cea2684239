import io

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

metadata = sa.MetaData()
users = sa.Table(
    "users", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50), nullable=False)
)


def upgrade(op):
    op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("age", sa.Integer))
    op.create_index("by_age", "users", ["age"])
    op.bulk_insert(sa.table("users", sa.column("id", sa.Integer), sa.column("age", sa.Integer)), [{"id": 1, "age": 30}])


def offline(dialect):
    text = io.StringIO()
    context = MigrationContext.configure(dialect_name=dialect, opts={"as_sql": True, "output_buffer": text})
    with context.begin_transaction():
        upgrade(Operations(context))
    return text.getvalue()


def main(args, context):
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        migration = MigrationContext.configure(connection)
        op = Operations(migration)
        upgrade(op)
        with op.batch_alter_table("users") as batch:
            batch.add_column(sa.Column("name", sa.String(50), server_default="x", nullable=False))
            batch.alter_column("age", new_column_name="years")
        rows = [list(row) for row in connection.execute(sa.text("select id, years, name from users"))]
        differences = [change[0] for change in compare_metadata(migration, metadata)]
    return [offline("postgresql"), offline("mysql"), rows, differences]
