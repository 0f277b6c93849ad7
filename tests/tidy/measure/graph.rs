//! A directed graph of names: its circles and its depth.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Default)]
pub(crate) struct Graph {
    edges: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

impl Graph {
    pub(crate) fn add(&mut self, from: &'static str, to: &'static str) {
        self.edges.entry(to).or_default();
        self.edges.entry(from).or_default().insert(to);
    }

    /// The sets of nodes that reach each other, without the sets of one.
    pub(crate) fn circles(&self) -> Vec<Vec<&'static str>> {
        self.components().into_iter().filter(|component| component.len() > 1).collect()
    }

    /// The nodes of the shortest circle through `start`, beginning with it.
    pub(crate) fn circle_of(&self, start: &'static str) -> Option<Vec<&'static str>> {
        let mut queue = VecDeque::from([vec![start]]);
        let mut seen = BTreeSet::new();
        while let Some(path) = queue.pop_front() {
            for next in &self.edges[path.last()?] {
                if *next == start {
                    return Some(path);
                }
                if seen.insert(*next) {
                    queue.push_back(path.iter().copied().chain([*next]).collect());
                }
            }
        }
        None
    }

    /// The number of nodes on the longest way down. A circle counts as one node.
    pub(crate) fn depth(&self) -> usize {
        let components = self.components();
        let mut depths = BTreeMap::new();
        (0..components.len()).map(|index| self.depth_of(&components, index, &mut depths)).max().unwrap_or(0)
    }

    fn depth_of(&self, components: &[Vec<&str>], index: usize, depths: &mut BTreeMap<usize, usize>) -> usize {
        if let Some(depth) = depths.get(&index) {
            return *depth;
        }
        let below = components[index].iter().flat_map(|node| &self.edges[node]);
        let below = below.filter_map(|node| components.iter().position(|component| component.contains(node)));
        let below: BTreeSet<_> = below.filter(|other| *other != index).collect();
        let depth = 1 + below.into_iter().map(|other| self.depth_of(components, other, depths)).max().unwrap_or(0);
        depths.insert(index, depth);
        depth
    }

    fn components(&self) -> Vec<Vec<&'static str>> {
        let reached: BTreeMap<_, _> = self.edges.keys().map(|node| (*node, self.reached(node))).collect();
        let component = |node| {
            let reached_from =
                |other: &&&str| *other == node || reached[node].contains(**other) && reached[**other].contains(*node);
            self.edges.keys().filter(reached_from).copied().collect::<Vec<_>>()
        };
        self.edges.keys().map(component).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn reached(&self, start: &str) -> BTreeSet<&'static str> {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<_> = self.edges[start].iter().copied().collect();
        while let Some(node) = waiting.pop() {
            if reached.insert(node) {
                waiting.extend(&self.edges[node]);
            }
        }
        reached
    }
}
