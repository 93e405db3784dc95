// What the types of jobs and permission requests cannot say: values that this version of the contract does not know.
import { JOB_TYPE_NAMES } from "./contract.ts";
import type { Job, PermissionRequest, UnknownJob } from "./contract.ts";

/**
 * Returns the job as one of an unknown type, or null if this version knows its type.
 *
 * `Job` is a closed union, so that a misspelt type does not compile.  A newer sidecar, or the database of the old
 * backend, may still have jobs of other types: to the compiler, the last branch of a `switch` cannot be reached.
 */
export function unknownJob(job: Job | UnknownJob): UnknownJob | null {
  return (JOB_TYPE_NAMES as readonly string[]).includes(job.type) ? null : (job as UnknownJob);
}

/** The inputs of Claude Code's own tools, as version 2.1 sends them.  Its releases may add members. */
export interface ToolInputs {
  AskUserQuestion: {
    questions: Array<{
      question: string;
      header: string;
      options: Array<{ label: string; description: string }>;
      multiSelect?: boolean;
    }>;
    /** The chosen labels by question, in `updated_input`; those of several options are separated by commas. */
    answers?: Record<string, string>;
  };
  Bash: { command: string; description?: string; timeout?: number; run_in_background?: boolean };
  Edit: { file_path: string; old_string: string; new_string: string; replace_all?: boolean };
  ExitPlanMode: { plan?: string };
  Glob: { pattern: string; path?: string };
  Grep: { pattern: string; path?: string; glob?: string; output_mode?: string };
  NotebookEdit: { notebook_path: string; new_source: string; cell_id?: string; cell_type?: string; edit_mode?: string };
  Read: { file_path: string; offset?: number; limit?: number };
  WebFetch: { url: string; prompt: string };
  WebSearch: { query: string; allowed_domains?: string[]; blocked_domains?: string[] };
  Write: { file_path: string; content: string };
}

/**
 * Returns the input of a permission request for one of these tools, or null if it is for another one.
 *
 * The CLI has checked the input before it asks; the members are not checked again.
 */
export function toolInput<Tool extends keyof ToolInputs>(
  { tool_name: name, input }: Pick<PermissionRequest, "tool_name" | "input">,
  tool: Tool,
): ToolInputs[Tool] | null {
  return name === tool ? (input as unknown as ToolInputs[Tool]) : null;
}
