//! From declared needs to one order: whatever is needed comes first, and of what could come next the smallest.
//! What needs itself, by whatever detour, is named with the detour.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BinaryHeap};

/// An order of things that are named by numbers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Order {
    /// All that can be put in order.
    pub sequence: Vec<usize>,
    /// What is part of a circle of needs: each with the circle, starting and ending with itself.
    pub circles: Vec<(usize, Vec<usize>)>,
    /// What is in no circle but needs something that is: each with that need.
    pub behind: Vec<(usize, usize)>,
}

/// Orders the nodes, given what each of them needs. Needs that are no nodes count as met.
#[must_use]
pub fn order(needs: &BTreeMap<usize, Vec<usize>>) -> Order {
    let mut waiting: BTreeMap<usize, usize> = BTreeMap::new();
    let mut dependents: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (&node, node_needs) in needs {
        let mut open = 0;
        for &need in node_needs.iter().filter(|need| needs.contains_key(need)) {
            dependents.entry(need).or_default().push(node);
            open += 1;
        }
        waiting.insert(node, open);
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        waiting.iter().filter(|(_, open)| **open == 0).map(|(&node, _)| Reverse(node)).collect();
    let mut result = Order::default();
    while let Some(Reverse(node)) = ready.pop() {
        waiting.remove(&node);
        result.sequence.push(node);
        for &dependent in dependents.get(&node).map_or(&[][..], Vec::as_slice) {
            if let Some(open) = waiting.get_mut(&dependent) {
                *open -= 1;
                if *open == 0 {
                    ready.push(Reverse(dependent));
                }
            }
        }
    }
    for &node in waiting.keys() {
        match circle(node, needs, &waiting) {
            Some(path) => result.circles.push((node, path)),
            None => {
                let stuck = needs.get(&node).into_iter().flatten().find(|need| waiting.contains_key(need));
                result.behind.extend(stuck.map(|&need| (node, need)));
            }
        }
    }
    result
}

/// The shortest way from a node back to itself, through nodes that are stuck.
fn circle(
    start: usize,
    needs: &BTreeMap<usize, Vec<usize>>,
    stuck: &BTreeMap<usize, usize>,
) -> Option<Vec<usize>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut layer = vec![start];
    while !layer.is_empty() {
        let mut next = Vec::new();
        for node in layer {
            for &need in needs.get(&node).into_iter().flatten().filter(|need| stuck.contains_key(need)) {
                if need == start {
                    let mut path = vec![start, node];
                    let mut here = node;
                    while let Some(&before) = came_from.get(&here) {
                        path.push(before);
                        here = before;
                    }
                    path.reverse();
                    return Some(path);
                }
                if let Entry::Vacant(new) = came_from.entry(need) {
                    new.insert(node);
                    next.push(need);
                }
            }
        }
        layer = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(needs: &[(usize, &[usize])]) -> Order {
        order(&needs.iter().map(|(node, needs)| (*node, needs.to_vec())).collect())
    }

    #[test]
    fn needs_come_first_and_ties_go_to_the_smallest() {
        assert_eq!(ordered(&[(1, &[3]), (2, &[]), (3, &[]), (4, &[1, 99])]).sequence, [2, 3, 1, 4]);
    }

    #[test]
    fn a_circle_is_named_and_what_is_behind_it_too() {
        let order = ordered(&[(1, &[2]), (2, &[3]), (3, &[1]), (4, &[1]), (5, &[5]), (6, &[])]);
        assert_eq!(order.sequence, [6]);
        assert_eq!(
            order.circles,
            [(1, vec![1, 2, 3, 1]), (2, vec![2, 3, 1, 2]), (3, vec![3, 1, 2, 3]), (5, vec![5, 5])]
        );
        assert_eq!(order.behind, [(4, 1)]);
    }
}
