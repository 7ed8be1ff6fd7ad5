package registry

import (
	"errors"
	"strconv"
	"strings"
)

var errRangeForm = errors.New(`want "bytes first-last/total"`)

// parseContentRange reads "bytes first-last/total" (RFC 9110, section 14.4); total is -1 for "*".
func parseContentRange(s string) (first, last, total int64, err error) {
	spec, ok := strings.CutPrefix(s, "bytes ")
	span, size, found := strings.Cut(spec, "/")
	from, to, dash := strings.Cut(span, "-")
	if !ok || !found || !dash {
		return 0, 0, 0, errRangeForm
	}
	total = -1
	if size != "*" {
		if total, err = number(size); err != nil {
			return 0, 0, 0, err
		}
	}
	if first, err = number(from); err != nil {
		return 0, 0, 0, err
	}
	if last, err = number(to); err != nil {
		return 0, 0, 0, err
	}
	return first, last, total, nil
}

// number reads digits alone: ParseInt would take signs.
func number(s string) (int64, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, errRangeForm
	}
	return strconv.ParseInt(s, 10, 64)
}
