// Command plimsoll holds every part of the product: all of them in one process, one part alone, and the command line.
package main

import (
	"os"

	// The images hold no CA files: these roots are used where the system has none (crypto/x509.SetFallbackRoots).
	_ "golang.org/x/crypto/x509roots/fallback"

	"github.com/plimsoll/plimsoll/services/standalone/internal/cli"
	"github.com/plimsoll/plimsoll/services/worker"
)

func main() {
	if worker.IsChild() {
		os.Exit(worker.Child())
	}
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
