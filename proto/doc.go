// Package proto holds the contracts between services: scan/v1 for what travels over NATS, worker/v1 for the gRPC service.
// The generated code is committed; "make generate" makes it again with tools fetched as Go modules.
package proto

//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate
