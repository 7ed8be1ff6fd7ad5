//go:build pprof

package main

import (
	"log"
	"net/http"
	_ "net/http/pprof" // registers the handlers
	"os"
)

// A build with -tags pprof serves profiles at PLIMSOLL_PPROF (host:port); the product's own listeners never do.
func init() {
	at := os.Getenv("PLIMSOLL_PPROF")
	if at == "" {
		return
	}
	go func() { log.Print(http.ListenAndServe(at, nil)) }()
}
