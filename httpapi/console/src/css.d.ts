// Style sheets are imported for the build to find them, and those after "text:" for their text.
declare module "text:*" {
  const text: string;
  export default text;
}
declare module "*.css";
