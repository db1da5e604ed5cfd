import { Component, type ComponentChildren, type JSX } from "preact";
import { Button } from "./button";
import { Empty } from "./empty";

/** Shows in place of its children that drawing them has failed, so that the rest of the page goes on. */
export class Mishap extends Component<{ children: ComponentChildren }, { problem: string }> {
  override state = { problem: "" };

  static override getDerivedStateFromError(error: unknown): { problem: string } {
    return { problem: String(error) };
  }

  override render(): ComponentChildren {
    return this.state.problem ? this.told() : this.props.children;
  }

  private told(): JSX.Element {
    return (
      <Empty title="This page has made a mistake">
        <p class="code">{this.state.problem}</p>
        <Button icon="reload" onClick={() => window.location.reload()}>
          Load it again
        </Button>
      </Empty>
    );
  }
}
