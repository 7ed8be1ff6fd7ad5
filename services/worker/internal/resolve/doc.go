// Package resolve reads the manifests and configurations behind one tag or digest, and tells which images it holds and which
// of their layers lack facts.
//
// Documents from a registry are data: what breaks a bound or a form is refused, what is no image is not applicable with a
// reason, and what is broken for good is a failed image. Only what may pass (a time-out, a 429, a changed tag) is an error.
package resolve
