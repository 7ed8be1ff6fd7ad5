// Package admin is the plumbing that every service shows its operators: health, readiness, metrics, logs, and the HTTP
// server that carries them.
package admin
