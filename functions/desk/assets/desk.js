// The agent's page.
import { page } from "./page.js";

page();
