package window_test

import (
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/window"
)

func ExampleSchedule_At() {
	berlin, err := window.Zone("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	office, err := window.Weekly("office", "Mon-Fri 09:00-16:00")
	if err != nil {
		fmt.Println(err)
		return
	}
	holidays, err := window.Dates("new-year", "2026-12-20", "2027-01-04")
	if err != nil {
		fmt.Println(err)
		return
	}
	s := window.Schedule{Zone: berlin, Open: []window.Range{office}, Freeze: []window.Range{holidays}}
	for _, at := range []time.Time{
		time.Date(2026, time.December, 18, 14, 0, 0, 0, time.UTC),
		time.Date(2026, time.December, 18, 15, 0, 0, 0, time.UTC),
		time.Date(2026, time.December, 24, 12, 0, 0, 0, time.UTC),
	} {
		if v := s.At(at); v.Open {
			fmt.Println("open")
		} else {
			fmt.Println(v.Why, "until", v.Until)
		}
	}
	// Output:
	// open
	// outside the windows until 2027-01-05 09:00:00 +0100 CET
	// freeze "new-year" until 2027-01-05 09:00:00 +0100 CET
}

func ExampleWeekly_error() {
	_, err := window.Weekly("", "Mon-Fry 09:00-16:00")
	fmt.Println(err)
	// Output: "Mon-Fry 09:00-16:00" is not a weekly range: "fry" is not a day: write Mon, Tue, Wed, Thu, Fri, Sat or Sun, and two of them as Mon-Fri
}
