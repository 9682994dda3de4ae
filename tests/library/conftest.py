from __future__ import annotations

import uuid
from collections.abc import Iterator

import postgres_server
import pytest
import sqlalchemy as sql


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the URL of a PostgreSQL server that runs as long as the tests do."""
    folder = postgres_server.programs()
    if folder is None:
        pytest.skip("PostgreSQL's server is not installed (apt-get install postgresql)")
    with postgres_server.server(folder) as url:
        yield url


@pytest.fixture
def database(postgres: str) -> str:
    """Give the URL of an empty schema of the server."""
    schema = f"s{uuid.uuid4().hex}"
    engine = sql.create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"), poolclass=sql.NullPool)
    with engine.begin() as connection:
        connection.execute(sql.schema.CreateSchema(schema))
    return f"{postgres}&options=-csearch_path%3D{schema}"
