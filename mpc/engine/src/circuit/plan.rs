//! A circuit sorted into rounds, and its evaluation.

use super::netlist::{Circuit, Node, Wire};
use crate::{Error, Gates};

/// What a circuit takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Conjunctions: each uses up one triple.
    pub triples: usize,
    /// Rounds of messages.
    pub rounds: usize,
}

/// A circuit ready to run: the gates that its outputs need, in rounds.
#[derive(Debug, Clone)]
pub struct Plan {
    inputs: usize,
    /// Registers are numbered in the order in which running fills them: constant zero, inputs, then layer by layer
    /// first the conjunctions, then the exclusive ors. The first layer has no conjunctions.
    layers: Vec<Layer>,
    outputs: Vec<Operand>,
    cost: Cost,
}

#[derive(Debug, Clone, Default)]
struct Layer {
    ands: Vec<(Operand, Operand)>,
    xors: Vec<(usize, usize)>,
}

#[derive(Debug, Clone, Copy)]
struct Operand {
    register: usize,
    inverted: bool,
}

impl Circuit {
    /// Sorts the gates that `outputs` need into rounds, each gate as early as it can run.
    #[must_use]
    pub fn compile(&self, outputs: &[Wire]) -> Plan {
        let nodes = self.nodes();
        let mut needed = vec![false; nodes.len()];
        for output in outputs {
            needed[output.node()] = true;
        }
        for (index, node) in nodes.iter().enumerate().rev() {
            if let (true, Node::Xor(left, right) | Node::And(left, right)) = (needed[index], node) {
                needed[left.node()] = true;
                needed[right.node()] = true;
            }
        }
        let depth = |node: usize| self.depths()[node] as usize;
        let rounds = outputs
            .iter()
            .map(|output| self.depth(*output))
            .max()
            .unwrap_or(0);
        let mut layered: Vec<(Vec<usize>, Vec<usize>)> = vec![Default::default(); rounds + 1];
        let mut registers = vec![0; nodes.len()];
        let mut filled = 1;
        for (index, node) in nodes.iter().enumerate() {
            match node {
                Node::Zero => {}
                Node::Input => {
                    registers[index] = filled;
                    filled += 1;
                }
                Node::And(..) if needed[index] => layered[depth(index)].0.push(index),
                Node::Xor(..) if needed[index] => layered[depth(index)].1.push(index),
                Node::And(..) | Node::Xor(..) => {}
            }
        }
        for index in layered.iter().flat_map(|(ands, xors)| ands.iter().chain(xors)) {
            registers[*index] = filled;
            filled += 1;
        }
        let operand = |wire: Wire| Operand {
            register: registers[wire.node()],
            inverted: wire.inverted(),
        };
        let layers: Vec<Layer> = layered
            .iter()
            .map(|(ands, xors)| {
                let mut layer = Layer::default();
                for &index in ands.iter().chain(xors) {
                    match nodes[index] {
                        Node::And(left, right) => layer.ands.push((operand(left), operand(right))),
                        // Exclusive or keeps complements on its output.
                        Node::Xor(left, right) => {
                            layer.xors.push((registers[left.node()], registers[right.node()]));
                        }
                        Node::Zero | Node::Input => {}
                    }
                }
                layer
            })
            .collect();
        let cost = Cost {
            triples: layers.iter().map(|layer| layer.ands.len()).sum(),
            rounds,
        };
        Plan {
            inputs: self.input_count(),
            layers,
            outputs: outputs.iter().map(|&wire| operand(wire)).collect(),
            cost,
        }
    }
}

impl Plan {
    /// What one run takes.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// How many inputs a run needs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Evaluates the circuit: one call of [`Gates::and`] a round. The outputs come in the order given to
    /// [`Circuit::compile`].
    ///
    /// # Errors
    /// A wrong number of inputs; whatever the gates report.
    pub async fn run<G: Gates>(&self, gates: &mut G, inputs: Vec<G::Bit>) -> Result<Vec<G::Bit>, Error> {
        if inputs.len() != self.inputs {
            return Err(Error::Parameter {
                parameter: "circuit inputs",
                found: inputs.len().to_string(),
                allowed: "as many as the circuit declares",
            });
        }
        let mut registers = Vec::with_capacity(
            1 + self.inputs
                + self
                    .layers
                    .iter()
                    .map(|layer| layer.ands.len() + layer.xors.len())
                    .sum::<usize>(),
        );
        registers.push(gates.constant(false));
        registers.extend(inputs);
        for layer in &self.layers {
            if !layer.ands.is_empty() {
                let read = |operand: &Operand| read(gates, &registers, *operand);
                let pairs: Vec<_> = layer
                    .ands
                    .iter()
                    .map(|(left, right)| (read(left), read(right)))
                    .collect();
                registers.extend(gates.and(&pairs).await?);
            }
            for &(left, right) in &layer.xors {
                let bit = gates.xor(&registers[left], &registers[right]);
                registers.push(bit);
            }
        }
        Ok(self
            .outputs
            .iter()
            .map(|&output| read(gates, &registers, output))
            .collect())
    }
}

fn read<G: Gates>(gates: &G, registers: &[G::Bit], operand: Operand) -> G::Bit {
    let bit = &registers[operand.register];
    if operand.inverted {
        gates.not(bit)
    } else {
        bit.clone()
    }
}
