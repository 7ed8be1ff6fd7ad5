// Package deploy holds the tests of deploy/k8s: each overlay is rendered by kustomize and decoded strictly into Kubernetes'
// own types, and what an operator relies on is checked.
package deploy
