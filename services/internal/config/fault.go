package config

import (
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// maxFaults are told; a file that is no configuration has thousands that say the same.
const maxFaults = 50

// Fault is one thing that is wrong: where it was written, which field, what is wrong and what to write.
type Fault struct {
	Where string // "config.yaml:12", "$PLIMSOLL_LISTEN"; empty where no file was read
	Field string // "registries[0].url"; empty for the file as a whole
	What  string

	line int // of the file; 0 where it has none
}

func (f Fault) String() string {
	var parts []string
	for _, p := range []string{f.Where, f.Field, f.What} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ": ")
}

// Faults are all that is wrong with a configuration, in the order of the file. They are a [plimsoll.ErrInvalid].
type Faults []Fault

func (f Faults) Error() string {
	var b strings.Builder
	for i, fault := range f {
		if i == maxFaults {
			fmt.Fprintf(&b, "\n… and %d more", len(f)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(fault.String())
	}
	return b.String()
}

// Unwrap makes faults invalid input: trying again gives the same.
func (f Faults) Unwrap() error { return plimsoll.ErrInvalid }

func (f Faults) orNil() error {
	if len(f) == 0 {
		return nil
	}
	return f
}
