package aws

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver/trigger"
	"github.com/sluice-gate/sluice/pkg/project"
)

const (
	mostReason = 4 << 10 // bytes of an answer that are looked at for a reason
	// longestFunction is how long a function may run, and the way there and back:
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
	longestFunction = 15*time.Minute + 30*time.Second
)

// client is the SDK's client of one service, made when it is first needed.
type client[T any] struct {
	line *amazon.Line
	made func(aws.Config) T

	mu  sync.Mutex
	api *T
}

func newClient[T any](at project.AWS, made func(aws.Config) T, opts ...amazon.Option) (*client[T], error) {
	line, err := amazon.New(at, opts...)
	if err != nil {
		return nil, err
	}
	return &client[T]{line: line, made: made}, nil
}

func (c *client[T]) open(ctx context.Context) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.api == nil {
		cfg, err := c.line.Config(ctx)
		if err != nil {
			var none T
			return none, err
		}
		api := c.made(cfg)
		c.api = &api
	}
	return *c.api, nil
}

// failed is the error of a request.
func (c *client[T]) failed(ctx context.Context, what string, err error) error {
	return c.line.Error(ctx, what, err)
}

// notDone is the error of a request that begins something: it says so when that surely did not begin.
func (c *client[T]) notDone(ctx context.Context, what string, err error) error {
	if amazon.Throttled(err) {
		return fmt.Errorf("%w (%w)", c.failed(ctx, what, err), trigger.ErrNotDone)
	}
	return c.failed(ctx, what, err)
}

// is tells whether an error is of one of the SDK's types.
func is[T error](err error) bool {
	var one T
	return errors.As(err, &one)
}
