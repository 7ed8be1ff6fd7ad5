// Package api is the HTTP interface under /api/v1: the posture as JSON, NDJSON, CSV and the exchange formats, and the few
// calls that change something. openapi.yaml describes it; a test holds the two together.
package api
