//! How long it takes, and which chain of steps decides that.

use super::Step;
use crate::name::Address;
use crate::value::Need;

/// Seconds from the start of a step until what it makes exists.
const EXISTS: u32 = 1;

/// Sets every step's pole, and answers the whole's typical seconds and its critical path.
pub(super) fn measure(steps: &mut [Step]) -> (u32, Vec<(Address, u32)>) {
    // From the end: a step's pole is its own time and the longest pole behind it.
    let mut behind = vec![0u32; steps.len()];
    for at in (0..steps.len()).rev() {
        let typical = steps[at].typical;
        steps[at].pole = steps[at].pole.max(typical).max(behind[at]);
        let pole = steps[at].pole;
        for wait in steps[at].after.clone() {
            let own = match wait.need {
                Need::Ready => steps[wait.step].typical,
                Need::Exists => EXISTS.min(steps[wait.step].typical),
            };
            behind[wait.step] = behind[wait.step].max(own + pole);
        }
    }
    // From the start: when each can begin, and what it waited for last.
    let mut begins = vec![0u32; steps.len()];
    let mut last: Vec<Option<(usize, u32)>> = vec![None; steps.len()];
    for at in 0..steps.len() {
        for wait in &steps[at].after {
            let own = match wait.need {
                Need::Ready => steps[wait.step].typical,
                Need::Exists => EXISTS.min(steps[wait.step].typical),
            };
            let ready = begins[wait.step] + own;
            if ready > begins[at] || last[at].is_none() {
                begins[at] = begins[at].max(ready);
                last[at] = Some((wait.step, own));
            }
        }
    }
    let end = (0..steps.len()).max_by_key(|at| begins[*at] + steps[*at].typical);
    let estimate = end.map_or(0, |at| begins[at] + steps[at].typical);
    let mut path = Vec::new();
    // Where only its existence is waited for, that is all that a step adds to the whole.
    let mut next = end.map(|at| (at, steps[at].typical));
    while let Some((at, own)) = next {
        path.push((steps[at].name.address.clone(), own));
        next = last[at];
    }
    path.reverse();
    (estimate, path)
}
