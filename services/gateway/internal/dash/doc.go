// Package dash is the dashboard: what people see of releases in a browser, and do about them, and the same for programs as JSON.
//
// # One model, and what is sent of it
//
// A gateway reads the broker once, through package board's reader, and is then kept up by one follower of all journals ([source]):
// what it hears on their subjects is a hint to read those releases, as everywhere. So the broker is asked as often with a hundred
// people looking as with one. The [Model] is pure: records in, rows out; so is everything that says how a row looks (card.go,
// plot.go).
//
// A page is regions: lists of items with an id each ([View]). For each browser that looks the server remembers what it has sent, and,
// when the model has changed, sends the items that differ and the order of lists that changed, and nothing else, as server-sent
// events. There is no queue: a browser that is slow finds the newest state when it is ready for it, and what was in between is
// never sent. That bounds the memory on both sides however long a page is open, and there is nothing to overflow or to reload. The
// tables that it takes are small: a page shows a bounded number of items (see [columnMost]) and says how many more there are.
//
// Times are sent as times. The browser shows them in its reader's zone and counts down by the broker's clock, whose offset comes with
// every message. The sentences are those of the command line (package story), which keeps their times apart.
//
// # The audit
//
// Its page looks back through the stream, 10,000 sequences at the most, and a link goes on from there; what it links to exports exactly
// what is filtered. It verifies as `sluice audit verify` does, one verification at a time, for 20 seconds. Whoever trusts the broker and
// the gateway less verifies with the command line and a checkpoint that was kept elsewhere: this page can not know one.
//
// # Without
//
// There is no build step and nothing from outside: two files of our own, a style sheet and a script of a few hundred lines
// (EventSource, a morph by element id, a dialog). datastar and htmx were looked at: the former evaluates expressions in attributes,
// which needs unsafe-eval in the policy, and of both a tenth would be used. The policy is `default-src 'none'` with scripts and
// styles of our own files only, neither inline. Without scripts the pages are whole and every action is a form of its own; only
// nothing moves.
//
// # Who may do what
//
// Package auth says who asks. Whoever looks is a viewer; an operator asks things of releases and stops projects; an admin also forces
// a release through, and stops all projects at once. Every request is published exactly as `sluice` does, on
// sluice.<verb>.<release>.<actor> with the person's name in it, and counts only by the broker's acknowledgement. What is answered
// to the person is what the journal then says.
//
// The broker believes the gateway: its user may publish requests under any name (accounts.conf). So who can run code in the gateway can
// speak for anybody, as whoever can run code in the broker can; a name in the journal that came through here is as good as the
// gateway's configuration. The names of Sluice's own services are nobody's ([auth.Name]).
//
// # What fails
//
// While the broker is away the pages show what was known last, and say so. A request whose acknowledgement does not come is told as
// such: it may be stored or not, and doing it again is harmless. What is listed as read for the page (a journal, evidence)
// is bounded in number and time.
package dash
