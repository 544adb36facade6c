// Package window says when a project's releases may be promoted: inside its windows, if it has any, and outside its freezes.
//
// [Schedule.At] is authoritative and pure: a schedule and a moment in, a verdict out. It asks no clock. When promotion is not
// allowed, the verdict says why and when it is next.
//
// # The clock on the wall decides
//
// Every range is written in local time, and a moment is inside a range when the clock on the wall in the schedule's zone
// shows a time that is. Nothing else is looked at, which answers what daylight saving asks:
//
//   - A local time that exists twice, when clocks are put back, is in the range both times. A range that ends within the
//     repeated hour is left, and entered again when that hour begins anew.
//   - A local time that does not exist, when clocks are put forward, is in no range. A range that begins there begins with
//     the first moment after the gap; one that lies there as a whole is not that day.
//   - A window from 09:00 to 16:00 ends when the clock shows 16:00, also when seven hours of the clock were six or eight of
//     real time. That holds for the duration of a cron range too: "for: 24h" from midnight is that day, however long it is.
//
// A range holds its first moment and not its last: 09:00-16:00 is closed at 16:00:00.
//
// # Ranges
//
//	Mon-Fri 09:00-16:00      on each of the days; several as in Mon,Wed or Mon-Wed,Fri; 24:00 is the end of the day
//	Fri 22:00-02:00          over midnight: it belongs to the day on which it begins
//	Sat                      the whole day
//	Fri 16:00 - Mon 09:00    one range over several days, also over the end of the week
//	0 9 * * MON-FRI, for 7h  a cron expression says when it begins: minute, hour, day of month, month, day of week
//	2026-12-20 to 2027-01-04 once, also with times (2026-12-20 16:00); a last day without a time is part of the range
//
// # Zones
//
// The zone data is built in, so that a binary in an empty image knows every zone. Where the system has its own, that is used:
// it may be newer.
package window
