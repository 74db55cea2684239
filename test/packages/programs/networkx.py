import networkx as nx


def main(args, context):
    g = nx.Graph()
    g.add_weighted_edges_from([("a", "b", 1), ("b", "c", 2), ("a", "c", 5), ("c", "d", 1), ("x", "y", 1)])
    d = nx.DiGraph([("shirt", "tie"), ("tie", "jacket"), ("trousers", "shoes"), ("trousers", "jacket")])
    try:
        nx.shortest_path(g, "a", "x")
    except nx.NetworkXNoPath as error:
        none = str(error)
    return [nx.shortest_path(g, "a", "d", weight="weight"), nx.dijkstra_path_length(g, "a", "d"), sorted(map(sorted, nx.connected_components(g))), list(nx.lexicographical_topological_sort(d)), none, sorted(nx.minimum_spanning_tree(g).edges), {k: round(v, 6) for k, v in nx.betweenness_centrality(g).items()}]
