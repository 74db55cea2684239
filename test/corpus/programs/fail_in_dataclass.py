"""Fails in code that the library generates."""
import dataclasses
@dataclasses.dataclass
class P:
    x: int
    def __post_init__(self):
        self.y = self.x + "a"
def main(args, context):
    ü = "äöü"; return P(x=5) if (ü == "äöü" and P(x=1)) else None
