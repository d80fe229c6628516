//! The public weights of the book's proof.

use p256::Scalar;

/// `base, base^2, base^3, ...`
pub(super) fn powers(base: &Scalar) -> impl Iterator<Item = Scalar> {
    let base = *base;
    std::iter::successors(Some(base), move |power| Some(*power * base))
}

/// The weights of the tie: `w_k = rho^k` for the level commitments `P_k`, and `w_1 + ... + w_j` for the increment `d_j`, which
/// the demand at each of the levels up to `j` includes.
pub(super) fn tie_weights(challenge: &Scalar, levels: usize) -> (Vec<Scalar>, Vec<Scalar>) {
    let levels: Vec<Scalar> = powers(challenge).take(levels).collect();
    let mut sum = Scalar::ZERO;
    let curve = levels
        .iter()
        .map(|weight| {
            sum += weight;
            sum
        })
        .collect();
    (levels, curve)
}
