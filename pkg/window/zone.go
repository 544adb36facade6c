package window

import (
	"fmt"
	"regexp"
	"time"
	_ "time/tzdata" // a project file must mean the same in every program that reads it, also in an image without zone data
)

var zoneName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}$`)

// Zone is the time zone of that name in the IANA database, such as Europe/Berlin or UTC. "Local" is none: a schedule does
// not depend on the machine that reads it.
func Zone(name string) (*time.Location, error) {
	if zoneName.MatchString(name) && name != time.Local.String() {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, fmt.Errorf("%s is not a time zone: write one like Europe/Berlin, America/New_York or UTC", quote(name))
}
