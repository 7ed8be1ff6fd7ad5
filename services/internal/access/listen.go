package access

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Loopback says whether a listener on addr (host:port) can be reached from this machine alone. Names other than
// localhost count as reachable from others: what they stand for may change.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && loopbackName(host)
}

// CheckListen returns an error when addr could be reached from other machines and there are no tokens to guard it.
func CheckListen(addr, tokensFile string) error {
	if Loopback(addr) {
		return nil
	}
	const orHere = "; or listen on 127.0.0.1"
	if tokensFile == "" {
		return fmt.Errorf("listen on %s: %w: reachable from other machines, and no tokens_file is configured: %s%s", addr, plimsoll.ErrDenied, howToMake, orHere)
	}
	tokens, _, err := load(tokensFile)
	if err != nil {
		return fmt.Errorf("listen on %s: read tokens_file: %w", addr, err)
	}
	if len(tokens) == 0 {
		return fmt.Errorf("listen on %s: %w: reachable from other machines, and %s holds no token: %s%s", addr, plimsoll.ErrDenied, tokensFile, howToMake, orHere)
	}
	return nil
}

// loopbackHost is Loopback for a Host header, which may come without a port.
func loopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return loopbackName(h)
	}
	return loopbackName(strings.Trim(host, "[]"))
}

func loopbackName(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
