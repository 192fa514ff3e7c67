//! Rights with one thing taken out: a rule, a verb, a resource, a group, a name.

use serde_json::Value;

use crate::rights::READS;

/// What was printed, without a part of it.
pub(crate) struct Lacking {
    pub(crate) rule: String,
    /// The word that is gone; otherwise the rule is.
    pub(crate) word: Option<String>,
    /// The verbs that are no longer allowed.
    pub(crate) verbs: Vec<String>,
    pub(crate) rest: Vec<Value>,
}

/// The rules of a role, in words.
pub(crate) fn rules(role: &Value) -> Vec<String> {
    role["rules"].as_array().into_iter().flatten().map(Value::to_string).collect()
}

/// Without each rule, and without each word of each list in it. What is only there to be given on to others is taken
/// out a verb at a time.
pub(crate) fn lacking(printed: &[Value]) -> Vec<Lacking> {
    let mut all = Vec::new();
    let texts = |words: &Value| -> Vec<String> {
        words.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    for (at, role) in printed.iter().enumerate() {
        for (number, rule) in role["rules"].as_array().into_iter().flatten().enumerate() {
            let verbs = texts(&rule["verbs"]);
            let mut rest = printed.to_vec();
            rest[at]["rules"].as_array_mut().unwrap().remove(number);
            all.push(Lacking { rule: rule.to_string(), word: None, verbs: verbs.clone(), rest });
            let given_on = verbs == READS;
            for (part, words) in rule.as_object().unwrap() {
                let words = texts(words);
                let single = words.len() == 1 || (given_on && part != "verbs");
                for (place, word) in words.iter().enumerate().filter(|_| !single) {
                    let mut rest = printed.to_vec();
                    rest[at]["rules"][number][part].as_array_mut().unwrap().remove(place);
                    let verbs = if part == "verbs" { vec![word.clone()] } else { verbs.clone() };
                    all.push(Lacking { rule: rule.to_string(), word: Some(word.clone()), verbs, rest });
                }
            }
        }
    }
    all
}
