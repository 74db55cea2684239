# wheels: sqlalchemy typing-extensions pg8000 scramp asn1crypto python-dateutil six
import ssl

import pg8000.dbapi
from sqlalchemy import ForeignKey, create_engine, event, func, select, text
from sqlalchemy.exc import IntegrityError, InterfaceError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

import servers


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    books: Mapped[list["Book"]] = relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


# The image has engines that have failed to connect, and their pools.
url = "postgresql+pg8000://user:secret@localhost:%d/postgres" % servers.postgres
engines = {
    False: create_engine(url, connect_args={"ssl_context": False}, pool_pre_ping=True),
    True: create_engine(url, connect_args={"ssl_context": ssl.create_default_context(cafile=servers.ca)}, pool_pre_ping=True),
}
connected = []
for engine in engines.values():
    event.listen(engine, "connect", lambda *_: connected.append(1))
    try:
        engine.connect().close()
    except InterfaceError:
        pass


def main(args, context):
    connected.clear()
    engine = engines[args["tls"]]
    engine.dispose()  # what native CPython has connected above
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add_all([Author(name="A", books=[Book(title="one"), Book(title="two")]), Author(name="B")])
    with Session(engine) as session:
        session.add(Author(name="A"))
        try:
            session.commit()
        except IntegrityError as e:
            duplicate = type(e).__name__
            session.rollback()
        try:
            with session.begin_nested():
                session.add(Author(name="C"))
                session.flush()
                raise ValueError
        except ValueError:
            pass
        names = session.scalars(select(Author.name).order_by(Author.id)).all()
        counts = session.execute(select(Author.name, func.count(Book.id)).outerjoin(Author.books).group_by(Author.name).order_by(Author.name)).all()
        session.delete(session.scalars(select(Author).where(Author.name == "A")).one())
        session.commit()
        left = session.scalar(select(func.count()).select_from(Book))
    with engine.connect() as connection:
        encrypted = connection.scalar(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        streamed = sum(connection.execution_options(yield_per=100).scalars(text("SELECT generate_series(1, 1000)")))
    with pg8000.dbapi.connect(user="user", host="localhost", port=servers.postgres, password="secret", database="postgres", ssl_context=False) as killer:
        killer.cursor().execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    with engine.connect() as connection:  # the pool connects again
        again = connection.scalar(text("SELECT pg_backend_pid()")) != pid
    return [again, names, [list(row) for row in counts], duplicate, left, encrypted, streamed, len(connected)]
