// Package e2e tests the product as a user runs it: the real binary as a child process, the CNCF distribution registry, and
// NATS, Temporal and S3 as they are embedded. Nothing in it reaches into the product; what it checks it asks of the API.
package e2e
