// The supervisor's page.
import { page } from "./page.js";

page();
