//go:build !linux

package child

import (
	"os"
	"syscall"
)

// Other systems are for development: the child is a process of its own there, and no more.

type fence struct{}

func strongest() fence { return fence{} }

func (fence) weaken() bool { return false }
func (fence) missing() []string {
	return []string{"any isolation besides a process of its own (not Linux)"}
}
func (fence) attributes() *syscall.SysProcAttr { return nil }
func confine() []string                        { return nil }
func usage(int) (cost, bool)                   { return cost{}, false }
func sharedBoard() (*board, *os.File, error)   { return ownBoard(), nil, nil }
func openBoard() *board                        { return ownBoard() }
func (b *board) unmap()                        {}
func widen(*os.File)                           {}
