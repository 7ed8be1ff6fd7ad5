// Command plimsoll-analyse is the child in which the worker analyses hostile bytes. The worker starts it; it is of no use alone.
package main

import (
	"fmt"
	"os"

	"github.com/plimsoll/plimsoll/services/worker/internal/child"
)

func main() {
	if !child.Requested() {
		fmt.Fprintln(os.Stderr, "plimsoll-analyse: a worker of Plimsoll starts this program, with pipes to speak over; there is nothing to run by hand")
		os.Exit(3)
	}
	os.Exit(child.Main())
}
