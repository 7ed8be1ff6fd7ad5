package engine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
)

// loopback is the only address the engines listen on.
const loopback = "127.0.0.1"

// Ports are taken from below the kernel's ephemeral range (from 32768 by default on Linux): between our probe and the
// engine's own bind, no outgoing connection or ":0" listener of any process can be given one of them.
const firstPort, lastPort = 20000, 32000

// freePorts returns n distinct ports of loopback that were free a moment ago.
func freePorts(n int) ([]int, error) {
	const tries = 100 // of ports in use; a machine with that many in this range has another problem
	var ports []int
	var errs []error
	for range tries + n {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + randomInt(lastPort-firstPort)
		l, err := net.Listen("tcp", hostPort(port))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		defer l.Close() // held to the end, so that all differ
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("no free port on %s between %d and %d: %w", loopback, firstPort, lastPort, errors.Join(errs...))
}

func hostPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

func randomInt(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return int(i.Int64())
}

// secret returns 130 bits of randomness as text that is safe in a URL.
func secret() string { return rand.Text() }

// secret is the given one or one made now.
func (o Options) secret() string {
	if o.Secret != "" {
		return o.Secret
	}
	return secret()
}
