// Package doctor looks at everything around a Plimsoll and says what is wrong and what to do, in a few seconds, whatever is down.
//
// A configuration names external engines, or leaves them embedded in `plimsoll up`; what is embedded listens on ports that only its
// own process knows, so there the running Plimsoll is asked instead.
package doctor
