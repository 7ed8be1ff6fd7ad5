// Package hooks takes push events from registries: POST /hooks/<registry id>, in the dialect that is configured for the
// registry (docs/push-events.md), zot's from a NATS subject, and ECR's and Artifact Registry's where they wait in a queue of
// their cloud. A dialect is one file: what it reads of a payload and how a sender proves itself.
//
// An event is a hint. Only repository, tag and digest are taken from it, checked by grammar, and what they name is read again
// from the configured registry; no URL of a payload is used, and no host but to drop what is another registry's. The answer is
// 2xx only when the queue has the request, so that a registry tries again otherwise; what is lost all the same is found by the
// next sweep, and counted.
package hooks
