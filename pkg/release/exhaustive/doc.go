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
//     time by others. A look for a message sees at least that message. Whether the project is paused is read as the leader has
//     it, and so is whether a record is the last one.
//   - Timer: one alarm, replaced by the next. It rings at its time or later. When it is replaced after its time it may ring all
//     the same, and its purge then takes the replacement away.
//   - Hints: the last message about the release, the last word to the project and the last alarm that rang are delivered until
//     somebody acknowledges them. An acknowledgement for an earlier one ends nothing. Hints that come late, twice or in another
//     order are looks without a hint, which are possible always, and acknowledge nothing. One earlier hint is remembered: that of
//     a promoter who armed the alarm by a record that was not the last, and died, or was kept from looking at that.
//   - Promoters: A and B, at any point of their loop. One may die and begin again under its name, and remembers nothing.
//   - Driver: it looks at its deadline and writes, or takes back what was written, in one step, at any time after it was called;
//     or it is refused.
//   - Stager: what was retried gets its lane, and is staged if need be, in one step at any time.
//   - Project: it may be paused, and unpaused. It may want approvals, a bake, and bounds of its phases and holds; each of these is
//     in the sizes that are about it.
//   - Watcher: it may miss a part of the soak. Heartbeats are yes or no.
//   - Time: ticks of the broker's clock. The soak, an extension, an attempt and the longest delay of a promotion are one tick
//     each. Faults, requests and early looks happen until the horizon.
//   - People: the requests of the table in [asks], at any time, also after the end.
//
// It begins with a release whose soak has just begun. Publisher, lanes and putting back are not in it, nor other releases (and so
// neither the project's record nor its lock while it is rolled back), stages, windows, freezes and needs, nor the look at the
// channel before a claim: that it points to a newer version, or can not be looked at.
//
// # What it has found
//
// Some demands on the promoter are easily missed. TestEveryGuardIsNeeded tells the story of each.
//
//   - When a look for an alarm finds nothing to do, that counts only from the last record. A replica that lags behind may still
//     show the hold after which the alarm was armed; whoever believes it acknowledges the only alarm, and the release soaks for
//     ever. The same goes for a pause that is over, and there the last record says nothing of it.
//   - A claim that only a pause makes ineffective is taken back before anybody is answered, or a cancel in time is refused.
//   - Who reports that a promotion is done says whose attempt it was. It may have been taken over, have failed and been retried,
//     and a hold may stand before the new claim.
//   - A hold may be over before the soak would have been, so its record's hint arms as well.
//   - Who arms by an old record and dies may have replaced a nearer alarm. Its hint comes again, and has to arm though there are
//     later records.
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
//   - I1, I5: no record after an end but refusals, no second end, unless a person retries what failed or rolls back what may be out;
//     what was promoted outside is not cancelled, unless that failed first; what is promoted was written.
//   - I2, I14: when the driver writes, and when promoted is stored: no cancel before the claim, no hold or extension before it that
//     was not answered, no pause before it that was not ended before it. I14: no claim with fewer approvals than are wanted.
//   - I3: the clock ran for the whole soak before a claim, unless expedited. I4: and somebody watched, yes or no.
//   - I6: every command that was obeyed is decided again after its event, and must cause nothing.
//   - I7: requests are answered once and in order; one that is not answered has a hint that is not acknowledged; when nothing is
//     left to do all are answered. A pause is no request: no record answers it.
//   - I8: a person's hold is ended by a resume or an end.
//   - I10: every record of a claim settles to what the stream says; an effective claim is not taken back, and nothing but its
//     being taken back follows an ineffective one, no refusal either if only a pause is against it.
//   - I11: nobody begins an attempt in another's time, or fails it; no write after the deadline, or in another's time, or a
//     rollback without an attempt that says so.
//   - I12: the decision to claim is not made later than the project allows.
//   - I13: in every world there is a hint, or an alarm in time if nothing but time is missing, for a release that has not ended
//     and waits for no person: a promoter's good intentions do not count, it may die. What ends for its phase's deadline was in it
//     for so long. And from every world, when everybody is well from there on (for one fair order of things), the release ends
//     within bounded steps, a hold being resumed, a pause ended and an approval given: promoted, unless somebody cancelled or
//     rolled back, the driver refused, or an attempt's or a phase's time was over.
//   - I16, I17, I18: nothing is retried after a late cancel; what was retried has its lane again and a claim of its own; a bake is
//     not cut short, and what was rolled back nobody gets.
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
// No size asks for everything: each has the verbs that it is about, and all together have all. TestProtocol runs those of every
// change in less than half a minute of a free core, `make model` the large ones in minutes. TestEveryGuardIsNeeded leaves
// out one guard after the other, and finds the invariant that breaks. TestHarmless says which are no guards.
package exhaustive
