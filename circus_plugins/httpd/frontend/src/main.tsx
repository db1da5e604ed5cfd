import { render } from "preact";
import { App } from "./app";
import { followAddress } from "./router";
import { begin } from "./session";
import "./styles/main.css";

const root = document.getElementById("app");
if (root) {
  void begin();
  followAddress();
  render(<App />, root);
}
