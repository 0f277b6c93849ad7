use crate::measure::graph::Graph;

fn graph(edges: &[(&'static str, &'static str)]) -> Graph {
    let mut graph = Graph::default();
    for (from, to) in edges {
        graph.add(from, to);
    }
    graph
}

#[test]
fn circles_are_sets_of_nodes_that_reach_each_other() {
    let graph = graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d"), ("f", "a")]);
    assert_eq!(graph.circles(), [vec!["a", "b", "c"], vec!["d", "e"]]);
}

#[test]
fn the_shortest_circle_is_shown() {
    let graph = graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("b", "a"), ("d", "a")]);
    assert_eq!(graph.circle_of("a"), Some(vec!["a", "b"]));
    assert_eq!(graph.circle_of("d"), None);
}

#[test]
fn the_depth_is_counted_on_the_longest_way() {
    assert_eq!(graph(&[]).depth(), 0);
    assert_eq!(graph(&[("a", "b"), ("b", "c"), ("a", "c")]).depth(), 3);
    assert_eq!(graph(&[("a", "b"), ("b", "a"), ("b", "c")]).depth(), 2);
}
