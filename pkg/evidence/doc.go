// Package evidence puts together what was stored of a release while it was watched, and judges it again: by its own policy, or by
// another.
//
// [Read] collects a release: the stretches that its journal tells of, how much of them was watched, and every look of every check.
// [Judge] and [Decide] are pure: the same evidence and policy always come to the same. The words are those of package judge. A
// check that the past has no measurements of is inconclusive, whatever the others say; so is what was cut short, since nobody knows
// what would have come; and so is what was not watched for long enough.
//
// Nothing is decided by any of this. What decides is the request that the watcher stored.
package evidence
