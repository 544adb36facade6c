// Package exhaustive holds tests only: a model of the protocol in which every order of events is tried, within small sizes.
// Where package release's own random model plays long games, this one plays all short ones, and tells the shortest that
// breaks an invariant.
//
// # What is real, and what is a model
//
// Every decision is the domain's own: release.Decide, Evolve, State.Settle and State.Stamp are called, not described. The model
// is of what is around them: the broker, the timer, the promoter's loop (services/promoter/internal/promote), the driver,
// the people, and everything that may go wrong between them. The judge is a third party: it has rules of its own, and
// judges from the stream and from what was done outside.
//
// # The world
//
//   - Stream: one total order of journal records and requests. An append names the record that it was decided on, and loses if
//     that is not the last. Any message is acknowledged to its sender when it is stored; an acknowledgement may be lost, and
//     the sender begins again. That it is lost before anything was stored is what a crash before the append comes to. A new
//     leader has all that was acknowledged: this is the broker's promise, and not looked into.
//   - Replicas: a read is answered from a beginning of the stream that may lag behind, by as many messages as the size says, each
//     time by others. A look for a message sees at least that message, and a look for an alarm all that the leader has.
//   - Timer: one alarm, replaced by the next. It rings at its time or later. When it is replaced after its time it may ring all
//     the same, and its purge then takes the replacement away.
//   - Hints: the last message of the stream and the last alarm that rang are delivered until somebody acknowledges them. An
//     acknowledgement for an earlier one ends nothing. Hints that come late, twice or in another order are looks without a
//     hint, which are possible always, and acknowledge nothing.
//   - Promoters: A and B, at any point of their loop. One may die and begin again under its name, and remembers nothing.
//   - Driver: it looks at its deadline and writes, in one step, at any time after it was called; or it is refused.
//   - Watcher: it may miss a part of the soak. Heartbeats are yes or no.
//   - Time: ticks of the broker's clock. The soak, an extension, an attempt and the longest delay of a promotion are one tick
//     each. Faults, requests and early looks happen until the horizon.
//   - People: the requests of the table in [asks], at any time, also after the end.
//
// It begins with a release whose soak has just begun. Publisher, stager, lanes and putting back are not in it, nor the look at the
// channel before a claim: that it points to a newer version, or can not be looked at.
//
// One demand on the promoter is easily missed. When a look for an alarm finds nothing to do, that counts only from what the
// stream's leader has. A replica that lags behind may still show the hold after which the alarm was armed; whoever believes
// it acknowledges the only alarm, and the release soaks for ever. TestEveryGuardIsNeeded tells that story.
//
// # Why a look is one step
//
// Reading, deciding and appending are one step, although others may act in between. Nothing is lost by it: while nobody appends,
// what was read a while ago is what a replica would answer that lags behind, and such answers are tried however old they
// are; when somebody has appended, the append is refused. There is one exception, the decision that it is time: it depends
// on the clock and on the heartbeats, so between it and its append everything may happen. Settling is part of the step that
// stores the claim, because it comes to the same whenever it is done; that this is so is checked (I10). And an alarm that is
// armed after a long pause, for what was read before others appended, is tried as far back as replicas may lag behind.
//
// # What is checked
//
//   - I1, I5: no record after an end but refusals, no second end; what was promoted outside is not cancelled.
//   - I2: when the driver writes, and when promoted is stored: no cancel before the claim, no hold or extension before it that was
//     not answered.
//   - I3: the clock ran for the whole soak before a claim, unless expedited. I4: and somebody watched, yes or no.
//   - I6: every command that was obeyed is decided again after its event, and must cause nothing.
//   - I7: requests are answered once and in order; one that is not answered has a hint that is not acknowledged; when nothing is
//     left to do all are answered.
//   - I8: a person's hold is ended by a resume or an end.
//   - I10: every record of a claim settles to what the stream says; an effective claim is not taken back, and nothing but its
//     being taken back follows an ineffective one.
//   - I11: nobody begins an attempt in another's time, or fails it; no write after the deadline, or in another's time.
//   - I12: the decision to claim is not made later than the project allows.
//   - I13: in every world there is a hint, or an alarm if nothing but time is missing, for a release that is neither ended nor
//     held: a promoter's good intentions do not count, it may die. And from every world, when everybody is well from there on
//     (for one fair order of things), the release ends within bounded steps, a hold being resumed: promoted, unless somebody
//     cancelled, the driver refused, or an attempt's time was over.
//
// I9 is about publishing, which is not in it.
//
// # The search
//
// It is breadth first, over worlds of some 30 bytes: streams are numbered, and a number stands for the whole stream, so that
// what depends on the stream alone is judged once. A promoter that has nothing to remember but its hint is idle, since its
// hint comes again; an append that will be refused is as good as not begun; A and B are exchanged so that A is the first that
// the journal names; the world of an ended release forgets its alarm, and takes no more faults. States are told apart by 128
// bits of hash.
//
// TestProtocol runs the sizes of every change in well under a minute, `make model` the large ones. TestEveryGuardIsNeeded leaves
// out one guard after the other, and finds the invariant that breaks. TestHarmless says which are no guards.
package exhaustive
