package project

import (
	"errors"
	"strconv"
	"strings"
)

// percent is the field as whole percent, or unset when there is none.
func (s section) percent(name string, unset, least int) int {
	n := unset
	s.text(name, func(text string) (err error) {
		n, err = parsePercent(text, least)
		return err
	})
	return n
}

func parsePercent(text string, least int) (int, error) {
	digits, ok := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || strconv.Itoa(n) != digits {
		return 0, errors.New(quote(text) + " is no percentage: want whole percent, such as 95%")
	}
	if n < least || n > 100 {
		return 0, errors.New(quote(text) + " is out of bounds: allowed are " + strconv.Itoa(least) + "% to 100%")
	}
	return n, nil
}
