import jmespath
from jmespath import functions
from jmespath.exceptions import JMESPathError

DATA = {
    "Reservations": [
        {"Instances": [{"Id": "i-1", "State": {"Name": "running"}, "Tags": [{"Key": "Name", "Value": "web"}], "Cpu": 2}]},
        {"Instances": [{"Id": "i-2", "State": {"Name": "stopped"}, "Tags": [], "Cpu": 8}, {"Id": "i-3", "State": {"Name": "running"}, "Tags": None, "Cpu": 4}]},
    ]
}
QUERIES = [
    "Reservations[].Instances[].Id", "Reservations[*].Instances[*].Cpu", "Reservations[].Instances[?State.Name=='running'].[Id, Cpu][]",
    "sort_by(Reservations[].Instances[], &Cpu)[-1].Id", "Reservations[].Instances[].{id: Id, name: Tags[?Key=='Name'] | [0].Value}",
    "sum(Reservations[].Instances[].Cpu)", "length(Reservations)", "join(',', Reservations[].Instances[].Id)", "Reservations[0].Instances[0].keys(@)",
    "Reservations[].Instances[?contains(Id, '2') || Cpu < `3`].Id | []", "max_by(Reservations[].Instances[], &Cpu).State.Name", "missing.path", "double(`21`)",
    "Reservations[", "unknown(@)", "abs('x')", "`{\"a\": 1}`.a", "reverse(Reservations[].Instances[].Id)[::2]",
]


class Own(functions.Functions):
    @functions.signature({"types": ["number"]})
    def _func_double(self, n):
        return n * 2


def main(args, context):
    options = jmespath.Options(custom_functions=Own())
    results = []
    for query in QUERIES:
        try:
            results.append(jmespath.compile(query).search(DATA, options=options))
        except JMESPathError as error:
            results.append([type(error).__name__, str(error)])
    return results
