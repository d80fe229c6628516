//! Wires and gates.

use std::ops::Not;

/// A wire of one [`Circuit`]: the output of a gate, or its complement. Using it in another circuit is an error
/// that is not detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wire(u32);

/// An integer, one wire a bit, least significant first.
pub type Word = Vec<Wire>;

impl Wire {
    /// The constant zero.
    pub const ZERO: Self = Self(0);
    /// The constant one.
    pub const ONE: Self = Self(1);

    /// The wire of a constant.
    #[must_use]
    pub fn constant(value: bool) -> Self {
        Self(u32::from(value))
    }

    /// The constant that this wire is known to carry.
    #[must_use]
    pub fn as_constant(self) -> Option<bool> {
        (self.0 < 2).then_some(self.0 == 1)
    }

    pub(super) fn node(self) -> usize {
        (self.0 >> 1) as usize
    }

    pub(super) fn inverted(self) -> bool {
        self.0 & 1 == 1
    }

    /// The output of a node, of which a circuit has fewer than 2^31: another's wire would be a wrong result that all
    /// parties agree on.
    fn of_node(node: usize) -> Self {
        assert!(
            node < 1 << 31,
            "a circuit of {node} nodes; its wires count fewer than 2^31"
        );
        Self((node as u32) << 1)
    }

    fn invert_if(self, inverted: bool) -> Self {
        Self(self.0 ^ u32::from(inverted))
    }
}

impl Not for Wire {
    type Output = Self;

    fn not(self) -> Self {
        self.invert_if(true)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    Zero,
    Input,
    Xor(Wire, Wire),
    And(Wire, Wire),
}

/// A circuit under construction. What is known is folded away: a gate with a constant or with twice the same wire
/// costs nothing.
#[derive(Debug)]
pub struct Circuit {
    nodes: Vec<Node>,
    /// How many conjunctions lie on the longest path to each node.
    depths: Vec<u32>,
    inputs: usize,
}

impl Default for Circuit {
    fn default() -> Self {
        Self::new()
    }
}

impl Circuit {
    /// An empty circuit.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: vec![Node::Zero],
            depths: vec![0],
            inputs: 0,
        }
    }

    /// The next input.
    pub fn input(&mut self) -> Wire {
        self.inputs += 1;
        self.push(Node::Input, 0)
    }

    /// The next `width` inputs.
    pub fn inputs(&mut self, width: usize) -> Word {
        (0..width).map(|_| self.input()).collect()
    }

    /// Exclusive or; free.
    pub fn xor(&mut self, left: Wire, right: Wire) -> Wire {
        let inverted = left.inverted() ^ right.inverted();
        let (left, right) = (left.invert_if(left.inverted()), right.invert_if(right.inverted()));
        let result = if left == right {
            Wire::ZERO
        } else if left == Wire::ZERO {
            right
        } else if right == Wire::ZERO {
            left
        } else {
            let depth = self.depth(left).max(self.depth(right));
            self.push(Node::Xor(left, right), depth)
        };
        result.invert_if(inverted)
    }

    /// Conjunction; costs one triple unless folded.
    pub fn and(&mut self, left: Wire, right: Wire) -> Wire {
        if left == Wire::ZERO || right == Wire::ZERO || left == !right {
            Wire::ZERO
        } else if left == Wire::ONE || left == right {
            right
        } else if right == Wire::ONE {
            left
        } else {
            let depth = self.depth(left).max(self.depth(right)) + 1;
            self.push(Node::And(left, right), depth)
        }
    }

    /// `choice ? high : low`; one conjunction.
    pub fn choose(&mut self, choice: Wire, high: Wire, low: Wire) -> Wire {
        if let Some(choice) = choice.as_constant() {
            return if choice { high } else { low };
        }
        let differ = self.xor(high, low);
        let change = self.and(choice, differ);
        self.xor(low, change)
    }

    /// The sum and the carry of three bits; one conjunction.
    pub fn full_adder(&mut self, first: Wire, second: Wire, third: Wire) -> (Wire, Wire) {
        let differ = self.xor(first, second);
        (self.xor(differ, third), self.choose(differ, third, first))
    }

    /// The majority of three, which is the carry of a full adder; one conjunction.
    pub fn majority(&mut self, first: Wire, second: Wire, third: Wire) -> Wire {
        let differ = self.xor(first, second);
        self.choose(differ, third, first)
    }

    /// How many conjunctions lie on the longest path to a wire.
    #[must_use]
    pub fn depth(&self, wire: Wire) -> usize {
        self.depths.get(wire.node()).map_or(0, |&depth| depth as usize)
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn depths(&self) -> &[u32] {
        &self.depths
    }

    pub(super) fn input_count(&self) -> usize {
        self.inputs
    }

    fn push(&mut self, node: Node, depth: usize) -> Wire {
        let wire = Wire::of_node(self.nodes.len());
        self.nodes.push(node);
        self.depths.push(u32::try_from(depth).unwrap_or(u32::MAX));
        wire
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_node_has_a_wire_of_its_own() {
        let last = (1 << 31) - 1;
        assert_eq!(Wire::of_node(last).node(), last);
        assert!(!Wire::of_node(last).inverted());
    }

    #[test]
    #[should_panic(expected = "a circuit of 2147483648 nodes")]
    fn more_nodes_than_wires_can_name_are_refused() {
        let _ = Wire::of_node(1 << 31);
    }

    #[test]
    fn folds_what_is_known() {
        let mut circuit = Circuit::new();
        let (a, b) = (circuit.input(), circuit.input());
        assert_eq!(circuit.xor(a, !a), Wire::ONE);
        assert_eq!(circuit.xor(a, Wire::ONE), !a);
        assert_eq!(circuit.and(a, !a), Wire::ZERO);
        assert_eq!(circuit.and(!a, !a), !a);
        assert_eq!(circuit.and(Wire::ONE, b), b);
        assert_eq!(circuit.choose(a, b, b), b);
        assert_eq!(circuit.majority(a, !a, b), b);
        let both = circuit.and(a, b);
        let (left, right) = (circuit.xor(both, a), circuit.and(both, !b));
        assert_eq!((circuit.depth(left), circuit.depth(right)), (1, 2));
        assert_eq!((!Wire::ZERO).as_constant(), Some(true));
        assert_eq!(both.as_constant(), None);
    }
}
