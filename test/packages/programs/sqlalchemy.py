from sqlalchemy import ForeignKey, String, create_engine, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30), unique=True)
    orders: Mapped[list["Order"]] = relationship(back_populates="user", cascade="all, delete-orphan")


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[int]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    user: Mapped[User] = relationship(back_populates="orders")


def main(args, context):
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([User(name="a", orders=[Order(total=3), Order(total=4)]), User(name="b", orders=[Order(total=1)])])
        session.commit()
        sums = select(User.name, func.sum(Order.total).label("n")).join(User.orders).group_by(User.name).order_by(text("n"))
        found = [list(row) for row in session.execute(sums)]
        session.delete(session.scalars(select(User).where(User.name == "a")).one())
        session.commit()
        left = session.scalar(select(func.count()).select_from(Order))
        session.add(User(name="b"))
        try:
            session.commit()
        except IntegrityError as error:
            session.rollback()
            refused = str(error.orig)
    return [found, left, refused, str(sums)]
