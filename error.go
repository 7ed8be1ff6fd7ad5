package plimsoll

import "errors"

// The few errors that callers tell apart. Each is wrapped with what, where and, for people, what to do.
var (
	// ErrInvalid is returned when input from outside has the wrong form; trying again gives the same answer.
	ErrInvalid = errors.New("invalid")
	// ErrNotFound is returned when the thing asked for does not exist, as far as its keeper knows.
	ErrNotFound = errors.New("not found")
	// ErrDenied is returned when credentials are missing, wrong or not enough.
	ErrDenied = errors.New("access denied")
	// ErrIntegrity is returned when bytes do not hash to the digest they were asked for by.
	ErrIntegrity = errors.New("integrity: bytes do not match their digest")
	// ErrLimit is returned when a bound on outside input was hit; the text names the bound.
	ErrLimit = errors.New("limit reached")
	// ErrUnsupported is returned for formats that we do not read; the text names the format.
	ErrUnsupported = errors.New("unsupported")
	// ErrUnavailable is returned when the other side failed in a way that may pass: a time-out, a 5xx, a 429.
	ErrUnavailable = errors.New("unavailable")
	// ErrRecipe is returned when a worker is asked for facts by another recipe than its own (a rolling upgrade).
	ErrRecipe = errors.New("recipe is not this worker's")
)
